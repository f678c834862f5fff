"""What both processes need to run in a cluster."""
