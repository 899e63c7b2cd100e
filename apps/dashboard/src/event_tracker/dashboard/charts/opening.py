"""The script that opens the link of a click. Without imports: the web server loads this before Streamlit runs."""

PATH = "/open.js"
SCRIPT = 'location.assign(document.querySelector(".opened-by-click").href)'
