"""The web server: on this machine alone, behind a token, paths confined."""
