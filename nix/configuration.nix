# This host's configuration, one concern a file. `pulumi up` writes all of it: what is changed here
# by hand is overwritten by the next change.
{
  imports = [
    ./host.nix # made once, by the installation: what belongs to this server alone
    ./hardware.nix
    ./network.nix
    ./firewall.nix
    ./ssh.nix
    ./users.nix
    ./hardening.nix
    ./confinement.nix
    ./system.nix
    ./memory.nix
    ./media.nix
    ./plex.nix
    ./library.nix
    ./gate.nix
    ./web.nix
    ./edge.nix
    ./notify.nix
    ./converge.nix
    ./upgrades.nix
  ];
}
