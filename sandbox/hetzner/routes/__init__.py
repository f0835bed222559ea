"""The API's paths, one module for each kind of resource."""
