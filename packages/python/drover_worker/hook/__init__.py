"""A program that knows nothing of Drover as a worker: it listens on the master's sockets, and is drained without its help."""
