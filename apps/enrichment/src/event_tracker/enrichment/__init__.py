"""What a User-Agent, an address and a referrer say of a visit: for the collector, and for logs of web servers.

Each module has a function that loads its rules or its file, which takes memory, and returns a function. So only what is used is loaded.
"""
