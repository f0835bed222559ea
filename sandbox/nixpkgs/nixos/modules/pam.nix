# PAM for what asks it here. Nobody has a password unless the configuration gives one.
{ lib, ... }:
let
  service =
    {
      session ? true,
      rootOk ? false,
    }:
    ''
      account required pam_unix.so
      ${lib.optionalString rootOk "auth sufficient pam_rootok.so"}
      auth sufficient pam_unix.so likeauth try_first_pass
      auth required pam_deny.so
      password sufficient pam_unix.so nullok yescrypt
      session required pam_env.so conffile=/etc/pam/environment readenv=0
      session required pam_unix.so
      ${lib.optionalString session "session optional pam_systemd.so"}
    '';
in
{
  environment.etc =
    lib.mapAttrs' (name: text: lib.nameValuePair "pam.d/${name}" { inherit text; }) {
      chpasswd = service { rootOk = true; };
      login = service { };
      passwd = service { session = false; };
      runuser = service {
        rootOk = true;
        session = false;
      };
      runuser-l = service { rootOk = true; };
      sshd = service { };
      su = service { rootOk = true; };
      su-l = service { rootOk = true; };
      sudo = service { session = false; };
      sudo-i = service { };
      systemd-run0 = service { rootOk = true; };
      # Without pam_systemd, the manager would wait for its own session.
      systemd-user = service { };
      other = ''
        auth required pam_deny.so
        account required pam_deny.so
        password required pam_deny.so
        session required pam_deny.so
      '';
    }
    // {
      "login.defs".text = ''
        DEFAULT_HOME yes
        ENCRYPT_METHOD YESCRYPT
        UID_MIN 1000
        UID_MAX 29999
        SYS_UID_MIN 400
        SYS_UID_MAX 999
        GID_MIN 1000
        GID_MAX 29999
        SYS_GID_MIN 400
        SYS_GID_MAX 999
        UMASK 077
        TTYGROUP tty
        TTYPERM 0620
      '';
      "security/limits.conf".text = "";
    };
}
