"""One module for each format of logs: it reads a line as a Request."""
