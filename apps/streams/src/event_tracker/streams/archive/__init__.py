"""The archive: records of a topic → files in a folder or a bucket."""
