"""The web server, and what it serves beside Streamlit's pages."""
