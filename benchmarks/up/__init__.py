"""What an `up` takes: with nothing to do, over a slow line, and for several stacks at once."""
