"""The dashboard: Streamlit pages over the query service."""
