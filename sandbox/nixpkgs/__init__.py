"""The miniature nixpkgs, and the tarball that machines fetch it as."""
