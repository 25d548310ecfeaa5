"""What a server adds to or changes of the step times that operators give; one effect per file."""
