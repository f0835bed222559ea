# SSH with keys only, and with forwarding for the tunnel to Plex's set-up and nothing else.
{ lib, ... }:
{
  services.openssh = {
    enable = true;
    openFirewall = false; # the table of ports has it
    hostKeys = [
      {
        path = "/etc/ssh/ssh_host_ed25519_key";
        type = "ed25519";
      }
    ];
    # The deploy key, in a file named after its user, root. The installation writes it: it is no part
    # of the configuration, and so never a reason why a preview cannot show one.
    authorizedKeysFiles = [ "/var/lib/deploy/%u" ];
    authorizedKeysInHomedir = false;
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "prohibit-password";
      AllowTcpForwarding = "local";
      PermitOpen = "127.0.0.1:32400 localhost:32400";
      AllowAgentForwarding = false;
      AllowStreamLocalForwarding = false;
      GatewayPorts = "no";
      PermitTunnel = false;
      X11Forwarding = false;
    };
  };

  # By itself systemd gives up after five starts in ten seconds, which five failures are, and nobody can log in.
  systemd.services.sshd.unitConfig.StartLimitIntervalSec = lib.mkForce 0;
  systemd.services.sshd.serviceConfig.RestartSec = lib.mkDefault 1;
}
