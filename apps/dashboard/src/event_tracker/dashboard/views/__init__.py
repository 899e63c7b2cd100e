"""One page a file; `show` draws it for the filters chosen. (A folder `pages` would be read by Streamlit in its own way.)"""
