# Word of what has gone wrong, to where the stack's notifyUrl leads. A stack without one has no notify.conf.
{ pkgs, ... }:
{
  systemd.services.notify = {
    description = "Word of what has gone wrong, or is well again";
    unitConfig.ConditionPathExists = "/var/lib/secrets/notify.conf";
    path = [
      pkgs.bash
      pkgs.curl
    ];
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${pkgs.bash}/bin/sh ${./host/notify.sh} %d/notify.conf ${./host/certificate.sh} /etc/nixos/parameters ${./host/caps.sh}";
      LoadCredential = "notify.conf:/var/lib/secrets/notify.conf";
      StateDirectory = "notify";
      LogLevelMax = "warning"; # not two lines every two minutes
      SyslogLevel = "warning"; # but what it says itself
    };
  };
  systemd.timers.notify = {
    wantedBy = [ "timers.target" ];
    timerConfig.OnCalendar = "*:0/2";
  };
}
