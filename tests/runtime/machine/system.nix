# The least that the installer takes for a NixOS: a system that starts sshd and can be started again.
{
  system = derivation {
    name = "nixos-system-least";
    system = "x86_64-linux";
    builder = "/bin/sh";
    PATH = "/usr/bin";
    configuration = import <nixos-config>;
    args = [
      (builtins.toFile "builder.sh" ''
        mkdir -p $out/bin
        cat >$out/activate <<END
        #!/bin/sh
        mkdir -p /etc/ssh /var /root /home /tmp
        chmod 1777 /tmp
        # Debian's own accounts, as the base image has them, stand in for generated ones.
        printf 'root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\nmessagebus:x:101:101::/:/usr/sbin/nologin\nsystemd-network:x:102:102::/:/usr/sbin/nologin\n' >/etc/passwd
        printf 'root:x:0:\nmessagebus:x:101:\nsystemd-network:x:102:\nnogroup:x:65534:\n' >/etc/group
        printf 'ID=nixos\nNAME=NixOS\nVARIANT_ID=\n' >/etc/os-release
        touch /etc/shadow
        printf 'UsePAM no\n' >/etc/ssh/sshd_config
        mkdir -p /etc/systemd/system/multi-user.target.wants /etc/systemd/network
        ln -sfn /usr/lib/systemd/system/ssh.service /etc/systemd/system/multi-user.target.wants/ssh.service
        ln -sfn /usr/lib/systemd/system/systemd-networkd.service /etc/systemd/system/multi-user.target.wants/systemd-networkd.service
        printf "$configuration" >/etc/systemd/network/10-eth0.network
        END
        cat >$out/init <<END
        #!/bin/sh
        $out/activate
        exec /usr/lib/systemd/systemd "\$@"
        END
        cat >$out/bin/switch-to-configuration <<END
        #!/bin/sh
        mkdir -p /boot/grub
        printf 'set default=1\nlinux init=/gone/init\nlinux init=%s/init quiet\n' $out >/boot/grub/grub.cfg
        echo "boot loader: \$1 \$NIXOS_INSTALL_BOOTLOADER"
        END
        chmod +x $out/activate $out/init $out/bin/switch-to-configuration
      '')
    ];
  };
}
