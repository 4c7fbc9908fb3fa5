"""The studio: a page on this machine where networks are built, watched while they learn, and asked why."""
