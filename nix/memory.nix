# Who gets the memory, and who goes first when there is none left: Plex, so that the host stays one that can be
# reached and changed. Shares are of the server's memory, whatever its type. Of the smallest one's 4 GB, Plex leaves
# more than one; with the swap that is what rclone and the build of a configuration take at their worst.
{
  # Made when it is not there, without the first boot waiting for it.
  swapDevices = [
    {
      device = "/var/lib/swapfile";
      size = 2048; # MB
      options = [
        "defaults"
        "nofail"
      ];
    }
  ];

  systemd.services = {
    plex.serviceConfig = {
      # Above the first it is slowed down and swapped out; at the second its largest process is killed.
      MemoryHigh = "60%";
      MemoryMax = "70%";
      OOMScoreAdjust = 500;
      # A transcoder that is killed ends what one viewer watches, and not all of Plex.
      OOMPolicy = "continue";
    };
    media.serviceConfig = {
      MemoryHigh = "25%";
      MemoryMax = "35%";
      OOMScoreAdjust = 300; # after Plex, which it would take along
    };
    nginx.serviceConfig = {
      MemoryHigh = "10%";
      MemoryMax = "15%";
      OOMScoreAdjust = 100;
    };

    # The same as for the supervisor of a change (host/session.sh and others). What they start inherits it,
    # so it is only a little: a shell and a session, which need next to nothing, then come after all that has no
    # adjustment, while a build or whatever else takes a tenth of memory and swap comes before. And what is killed
    # shall not take along who started it, which would be systemd's way.
    sshd.serviceConfig = {
      OOMScoreAdjust = -100;
      OOMPolicy = "continue";
    };
  };
}
