"""Several stacks at once: preview, up and destroy, and what their hosts say of themselves."""
