# What each package of Debian's brings. `as` is the name in the package where Debian's own name, `is`, differs.
let
  words = text: builtins.filter (x: builtins.isString x && x != "") (builtins.split "[ \n]+" text);
in
builtins.mapAttrs (_: x: if builtins.isString x then words x else x) {
  acl = "getfacl setfacl chacl";
  attr = "getfattr setfattr attr";
  bash = [
    "bash"
    {
      as = "sh";
      is = "bash";
    }
  ];
  bind = "dig host nslookup";
  btop = "btop";
  bzip2 = "bzip2 bunzip2 bzcat";
  cloud-utils = "growpart";
  coreutils = ''
    arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp csplit cut date
    dd df dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install
    join kill link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk
    pinky pr printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum
    sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch
    tr true truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes [
  '';
  cpio = "cpio";
  cryptsetup = "cryptsetup";
  curl = "curl";
  dbus = "dbus-send dbus-monitor dbus-daemon dbus-run-session dbus-uuidgen";
  diffutils = "cmp diff diff3 sdiff";
  dosfstools = "mkfs.vfat mkfs.fat fsck.fat fsck.vfat fatlabel dosfslabel";
  e2fsprogs = "mkfs.ext4 mke2fs fsck.ext4 e2fsck resize2fs tune2fs dumpe2fs e2label lsattr chattr";
  ethtool = "ethtool";
  file = "file";
  findutils = "find xargs";
  fuse3 = "fusermount3 fusermount mount.fuse3 mount.fuse";
  gawk = [
    "gawk"
    {
      as = "awk";
      is = "gawk";
    }
  ];
  getent = "getent getconf iconv ldd locale";
  git = "git";
  gixy = "gixy";
  gnugrep = "grep egrep fgrep";
  gnupatch = "patch";
  gnused = "sed";
  gnutar = "tar";
  grub2 = "grub-editenv grub-file grub-install grub-mkimage grub-probe grub-script-check";
  gptfdisk = "sgdisk gdisk cgdisk";
  gzip = "gzip gunzip zcat zgrep zless zmore gzexe";
  hostname = "hostname dnsdomainname domainname";
  htop = "htop";
  iotop = "iotop";
  iperf3 = "iperf3";
  iproute2 = "ip ss bridge tc rtmon routel ctstat lnstat nstat";
  iptables = "iptables ip6tables iptables-save iptables-restore ip6tables-save ip6tables-restore";
  iputils = "ping tracepath arping";
  jq = "jq";
  kmod = "kmod depmod insmod lsmod modinfo modprobe rmmod";
  lego = "lego";
  less = "less lessecho lesskey";
  libcap = "capsh getcap getpcaps setcap";
  lsof = "lsof";
  mkpasswd = "mkpasswd";
  mtr = "mtr";
  nano = "nano";
  ncdu = "ncdu";
  ncurses = "clear infocmp reset tabs tic toe tput tset";
  netcat = [
    {
      as = "nc";
      is = "nc.openbsd";
    }
  ];
  nettools = "hostname ifconfig netstat route arp";
  nftables = "nft";
  nginx = "nginx";
  nix = ''
    nix nix-build nix-channel nix-collect-garbage nix-copy-closure nix-daemon nix-env nix-hash nix-instantiate
    nix-prefetch-url nix-shell nix-store
  '';
  nmap = "nmap";
  openssh = "ssh scp sftp ssh-add ssh-agent ssh-copy-id ssh-keygen ssh-keyscan sshd";
  openssl = "openssl c_rehash";
  parted = "parted partprobe";
  perl = "perl";
  pigz = "pigz unpigz";
  procps = "free kill pgrep pidof pidwait pkill pmap ps pwdx skill slabtop snice sysctl tload top uptime vmstat w watch";
  psmisc = "killall fuser pstree";
  pv = "pv";
  python3 = "python3";
  qemu-guest-agent = [
    {
      as = "qemu-ga";
      is = "qemu-ga";
    }
  ];
  restic = "restic";
  rsync = "rsync";
  screen = "screen";
  shadow = ''
    nologin su login newgrp sg chage chfn chgpasswd chpasswd chsh expiry gpasswd groupadd groupdel groupmod grpck
    newusers passwd pwck useradd userdel usermod vigr vipw
  '';
  sqlite = "sqlite3";
  strace = "strace";
  sudo = "sudo sudoedit visudo cvtsudoers sudoreplay";
  tcpdump = "tcpdump";
  tmux = "tmux";
  tree = "tree";
  unzip = "unzip zipinfo funzip";
  util-linux = ''
    agetty blkdiscard blkid blockdev chcpu chmem choom chrt dmesg fallocate fdisk findfs findmnt flock fsck fsfreeze
    fstrim getopt hardlink ionice ipcmk ipcrm ipcs isosize kill ldattach logger look losetup lsblk lscpu lsfd
    lsipc lslocks lslogins lsmem lsns mcookie mkfs mkswap more mount mountpoint namei nsenter partx pivot_root
    prlimit rename.ul rev renice rtcwake runuser script scriptreplay setarch setpriv setsid setterm sfdisk sulogin
    swaplabel swapoff swapon switch_root taskset umount uclampset unshare utmpdump uuidgen wall wdctl whereis
    wipefs zramctl
  '';
  vim = [
    {
      as = "vim";
      is = "vim.basic";
    }
    {
      as = "vim";
      is = "vim.tiny";
    }
    {
      as = "vi";
      is = "vim.tiny";
    }
  ];
  wget = "wget";
  which = [
    {
      as = "which";
      is = "which.debianutils";
    }
  ];
  xmlstarlet = "xmlstarlet";
  xxd = "xxd";
  xz = "xz unxz xzcat xzcmp xzdiff xzgrep xzless xzmore lzma unlzma lzcat";
  zip = "zip";
  zstd = "zstd unzstd zstdcat";
}
