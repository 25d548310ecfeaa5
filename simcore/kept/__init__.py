"""What is kept on disk between processes, so that a start need not make it again; never trusted unread."""
