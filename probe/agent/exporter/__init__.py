"""What the agent shows on its own machine: metrics, `/probe`, service discovery, its state."""
