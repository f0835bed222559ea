# What is shut beyond what serving films needs. Each measure says what it stops; docs/hardening.md has them in a
# table, with what each does not stop. None has a switch: nothing that this host is for needs one open.
{ pkgs, ... }:
let
  # Hetzner's metadata service, at both of its addresses.
  metadata = [
    "169.254.169.254"
    "fe80::a9fe:a9fe"
  ];

  # In files of their own: later releases of NixOS refuse the options by which 25.11 says it.
  journal = pkgs.writeText "journald-limits.conf" ''
    [Journal]
    SystemMaxUse=500M
    RuntimeMaxUse=50M
    RateLimitIntervalSec=30s
    RateLimitBurst=2000
  '';

  resolver = pkgs.writeText "resolved-asks-alone.conf" ''
    [Resolve]
    LLMNR=no
    MulticastDNS=no
  '';
in
{
  # Passwords that are guessed or leaked: root has none, and administrators have keys. And users that somebody
  # added by hand: they are gone with the next change.
  users.mutableUsers = false;
  users.users.root.hashedPassword = "!";

  # Flaws in sudo, which is root's program before it has asked who you are: no service's user can start it.
  security.sudo.execWheelOnly = true;
  # Administrators have no password that it could ask for.
  security.sudo.wheelNeedsPassword = false;

  services.openssh.settings = {
    # A connection that is recorded, to be read when its algorithms are weak, or changed on its way: nothing with
    # finite fields, NIST's curves, SHA-1, CBC or a MAC over plain text. OpenSSH's clients since 8.5 know some of
    # each, and Go's, which Pulumi has. Whoever knows one of the first three is safe from quantum computers too.
    KexAlgorithms = [
      "mlkem768x25519-sha256"
      "sntrup761x25519-sha512"
      "sntrup761x25519-sha512@openssh.com"
      "curve25519-sha256"
      "curve25519-sha256@libssh.org"
    ];
    Ciphers = [
      "chacha20-poly1305@openssh.com"
      "aes256-gcm@openssh.com"
      "aes128-gcm@openssh.com"
    ];
    Macs = [
      "hmac-sha2-512-etm@openssh.com"
      "hmac-sha2-256-etm@openssh.com"
    ];

    # Any other way to log in that a default, or PAM, might bring.
    AuthenticationMethods = "publickey";
    # A service's user whom somebody got a key accepted for. The deploy key's user is root, whose group is root
    # without being listed anywhere, so that no mistake in the groups shuts `pulumi up` out.
    AllowGroups = [
      "root"
      "wheel"
    ];

    # One address that takes all places for connections which have yet to log in. `pulumi up` dials again and
    # again while it waits, but one connection at a time.
    LoginGraceTime = 30;
    MaxStartups = "50:30:100";
    PerSourceMaxStartups = 10;
    PerSourceNetBlockSize = "32:64"; # who has an IPv6 address has its /64
  };

  # A service that is made to fetch what the metadata service knows, the server's user data above all: only root
  # may ask. By number, since the rules are checked where no user is known.
  networking.nftables.tables.metadata = {
    family = "inet";
    content = ''
      chain output {
        type filter hook output priority filter; policy accept;
        ip daddr 169.254.169.254 meta skuid != 0 reject
        ip6 daddr fe80::a9fe:a9fe meta skuid != 0 reject
      }
    '';
  };
  # The same for those that talk to the world, by systemd: rules can be taken away.
  systemd.services.media.serviceConfig.IPAddressDeny = metadata;
  systemd.services.nginx.serviceConfig.IPAddressDeny = metadata;
  systemd.services.plex.serviceConfig.IPAddressDeny = metadata;

  boot.kernel.sysctl = {
    # Exploits of the kernel that begin with its addresses and its log.
    "kernel.kptr_restrict" = 2;
    "kernel.dmesg_restrict" = 1;
    # Exploits by way of eBPF and io_uring, which only root needs here. (User namespaces stay: Plex starts in one.)
    "kernel.unprivileged_bpf_disabled" = 1;
    "net.core.bpf_jit_harden" = 2;
    "kernel.io_uring_disabled" = 1;
    # Exploits by way of a terminal's line disciplines, which anybody could have the kernel load.
    "dev.tty.ldisc_autoload" = 0;
    # A hijacked process that reads the memory of its user's others: a transcoder, and Plex's token.
    "kernel.yama.ptrace_scope" = 1;
    # Traps in /tmp: a file or a link there that another's program takes for its own.
    "fs.protected_hardlinks" = 1;
    "fs.protected_symlinks" = 1;
    "fs.protected_fifos" = 2;
    "fs.protected_regular" = 2;
    # A neighbour on the network that tells this host another way for its packets. (Packets that come from where
    # no way leads back are dropped by NixOS's firewall.)
    "net.ipv4.conf.*.accept_redirects" = 0;
    "net.ipv6.conf.*.accept_redirects" = 0;
    # A flood of connections that are begun and never made.
    "net.ipv4.tcp_syncookies" = 1;
  };

  # A log that fills the disk or the memory, and a unit that drives out of it what the others say.
  environment.etc."systemd/journald.conf.d/limits.conf".source = journal;
  systemd.services.systemd-journald.restartTriggers = [ journal ];

  # A resolver that answers neighbours, for names that nobody here has.
  environment.etc."systemd/resolved.conf.d/asks-alone.conf".source = resolver;
  systemd.services.systemd-resolved.restartTriggers = [ resolver ];

  # What a process had in its memory, Plex's token or B2's key, left on the disk by a crash. That it crashed is
  # still logged. (Without systemd's handler, the kernel would write the file where the process was.)
  environment.etc."systemd/coredump.conf.d/none.conf".text = ''
    [Coredump]
    Storage=none
    ProcessSizeMax=0
  '';

  # A service's user who has the Nix daemon build and fetch: by its users, and onto this disk.
  nix.settings.allowed-users = [ "root" ];

  # Tools that lie ready for an intruder: NixOS's own choice (rsync, strace, Perl), which nothing here needs.
  environment.defaultPackages = [ ];
}
