"""What the page is about, without a browser: the networks, runs and answers that one session holds."""
