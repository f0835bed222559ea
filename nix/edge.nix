# What nginx lets visitors do, and what it writes down of that. docs/edge.md has the reason of each figure.
{ lib, ... }:
{
  services.nginx = {
    # A request that is passed on takes two connections, and by itself nginx has 512.
    eventsConfig = "worker_connections 4096;";
    appendConfig = ''
      worker_processes auto;
      worker_rlimit_nofile 8192;
    '';

    clientMaxBodySize = "20m";
    commonHttpConfig = ''
      client_header_timeout 15s;
      client_body_timeout 30s;
      large_client_header_buffers 4 8k;
      reset_timedout_connection on;

      # Who has an IPv6 address has the whole /64, so that counts as one visitor.
      map $binary_remote_addr $visitor {
        default $binary_remote_addr;
        "~(?s)^(.{8}).{8}$" $1;
      }
      limit_req_zone $visitor zone=requests:10m rate=100r/s;
      limit_req zone=requests burst=1000 nodelay;
      limit_req_status 429;
      limit_conn_zone $visitor zone=visitors:10m;
      limit_conn visitors 400;
      limit_conn_status 429;

      # A token is logged in none of its forms, also as a part of an address within the address. What comes after it
      # might be another one.
      map $request $request_shown {
        default $request;
        "~*^(.*?token(?:=|%(?:25)*3d))" "$1...";
      }
      map $http_referer $referer_shown {
        default $http_referer;
        "~*^(.*?token(?:=|%(?:25)*3d))" "$1...";
      }
      log_format visits '$remote_addr - - [$time_local] "$request_shown" $status $body_bytes_sent "$referer_shown" "$http_user_agent" $server_protocol $request_time $upstream_status';
      access_log syslog:server=unix:/dev/log,nohostname visits;
    '';
    # What it says of single requests has their addresses whole, with the tokens. Their statuses are above.
    logError = "stderr crit";
  };

  # NixOS gives up after five failures in a minute; a disk, for one, may be full for longer.
  systemd.services.nginx.unitConfig.StartLimitIntervalSec = lib.mkForce 0;
}
