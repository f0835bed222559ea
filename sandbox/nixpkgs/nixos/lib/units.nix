# The options of systemd's units, and the text that they become.
{ lib, pkgs }:
let
  inherit (import ./declare.nix { inherit lib; })
    option
    required
    internal
    unitOption
    ;
  inherit (lib) types;

  kinds = "[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";
  unitNames = types.listOf (
    types.strWhere "string matching the pattern [a-zA-Z0-9@%:_.\\-]+${kinds}" (
      x: builtins.match "[a-zA-Z0-9@%:_.\\-]+${kinds}" x != null
    )
  );
  section = types.attrsOf unitOption;

  shared = {
    enable = option types.bool true;
    name = lib.mkOption { type = types.str; };
    overrideStrategy = option (types.enum [
      "asDropinIfExists"
      "asDropin"
    ]) "asDropinIfExists";
    requiredBy = option unitNames [ ];
    upheldBy = option unitNames [ ];
    wantedBy = option unitNames [ ];
    aliases = option unitNames [ ];
  };

  common = shared // {
    description = option types.singleLineStr "";
    documentation = option (types.listOf types.str) [ ];
    requires = option unitNames [ ];
    wants = option unitNames [ ];
    upholds = option unitNames [ ];
    after = option unitNames [ ];
    before = option unitNames [ ];
    bindsTo = option unitNames [ ];
    partOf = option unitNames [ ];
    conflicts = option unitNames [ ];
    requisite = option unitNames [ ];
    onFailure = option unitNames [ ];
    onSuccess = option unitNames [ ];
    unitConfig = option section { };
    startLimitBurst = required types.int;
    startLimitIntervalSec = required types.int;
    restartTriggers = option (types.listOf types.unspecified) [ ];
    reloadTriggers = option (types.listOf unitOption) [ ];
  };

  # What the options say in words becomes settings of [Unit].
  unitModule =
    suffix:
    {
      config,
      name,
      options,
      ...
    }:
    {
      options = common;
      config = {
        name = lib.mkDefault "${name}${suffix}";
        unitConfig =
          lib.filterAttrs (_: names: names != "") {
            Requires = toString config.requires;
            Wants = toString config.wants;
            Upholds = toString config.upholds;
            After = toString config.after;
            Before = toString config.before;
            BindsTo = toString config.bindsTo;
            PartOf = toString config.partOf;
            Conflicts = toString config.conflicts;
            Requisite = toString config.requisite;
            OnFailure = toString config.onFailure;
            OnSuccess = toString config.onSuccess;
            Documentation = toString config.documentation;
            X-Restart-Triggers = toString config.restartTriggers;
            X-Reload-Triggers = toString config.reloadTriggers;
          }
          // lib.optionalAttrs (config.description != "") { Description = config.description; }
          // lib.optionalAttrs options.startLimitBurst.isDefined {
            StartLimitBurst = toString config.startLimitBurst;
          }
          // lib.optionalAttrs options.startLimitIntervalSec.isDefined {
            StartLimitIntervalSec = toString config.startLimitIntervalSec;
          };
      };
    };

  jobScript =
    name: text:
    let
      plain = lib.replaceStrings [ "@" "\\" ] [ "_" "_" ] name;
    in
    toString (pkgs.writeScript "unit-script-${plain}" "#!${pkgs.runtimeShell} -e\n${text}");

  serviceModule =
    { config, name, ... }:
    {
      options = {
        environment = option (types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]))) { };
        path = option (types.listOf (types.oneOf [ types.package types.str ])) [ ];
        enableDefaultPath = option types.bool true;
        serviceConfig = option section { };
        script = option types.lines "";
        scriptArgs = option types.str "";
        preStart = option types.lines "";
        postStart = option types.lines "";
        reload = option types.lines "";
        preStop = option types.lines "";
        postStop = option types.lines "";
        enableStrictShellChecks = option types.bool false;
        restartIfChanged = option types.bool true;
        reloadIfChanged = option types.bool false;
        stopIfChanged = option types.bool true;
        notSocketActivated = option types.bool false;
        startAt = lib.mkOption {
          type = types.either types.str (types.listOf types.str);
          default = [ ];
          apply = lib.toList;
        };
      };
      config = {
        path = lib.mkIf config.enableDefaultPath (
          lib.mkAfter [
            pkgs.coreutils
            pkgs.findutils
            pkgs.gnugrep
            pkgs.gnused
            pkgs.systemd
          ]
        );
        environment.PATH = lib.mkIf (config.path != [ ]) "${lib.makeBinPath config.path}:${
          lib.makeSearchPath "sbin" config.path
        }";
        serviceConfig = lib.mkMerge [
          (lib.mkIf (config.preStart != "") {
            ExecStartPre = [ (jobScript "${name}-pre-start" config.preStart) ];
          })
          (lib.mkIf (config.script != "") {
            ExecStart = lib.removeSuffix " " "${jobScript "${name}-start" config.script} ${config.scriptArgs}";
          })
          (lib.mkIf (config.postStart != "") {
            ExecStartPost = [ (jobScript "${name}-post-start" config.postStart) ];
          })
          (lib.mkIf (config.reload != "") { ExecReload = jobScript "${name}-reload" config.reload; })
          (lib.mkIf (config.preStop != "") { ExecStop = jobScript "${name}-pre-stop" config.preStop; })
          (lib.mkIf (config.postStop != "") { ExecStopPost = jobScript "${name}-post-stop" config.postStop; })
        ];
      };
    };

  settings =
    values:
    lib.concatStrings (
      lib.mapAttrsToList (
        key: value:
        lib.concatMapStrings (one: "${key}=${if builtins.isBool one then lib.boolToString one else toString one}\n") (
          lib.filter (one: one != null) (lib.toList value)
        )
      ) values
    );

  unitSection = config: "[Unit]\n" + settings config.unitConfig;

  texts = {
    service =
      s:
      unitSection s
      + "\n[Service]\n"
      + lib.concatStrings (
        lib.mapAttrsToList (
          name: value: lib.optionalString (value != null) "Environment=${builtins.toJSON "${name}=${toString value}"}\n"
        ) s.environment
      )
      + (
        if s.reloadIfChanged then
          "X-ReloadIfChanged=true\n"
        else
          lib.optionalString (!s.restartIfChanged) "X-RestartIfChanged=false\n"
      )
      + lib.optionalString (!s.stopIfChanged) "X-StopIfChanged=false\n"
      + lib.optionalString s.notSocketActivated "X-NotSocketActivated=true\n"
      + settings s.serviceConfig;
    target = unitSection;
    socket =
      s:
      unitSection s
      + "\n[Socket]\n"
      + settings s.socketConfig
      + lib.concatMapStrings (x: "ListenStream=${x}\n") s.listenStreams
      + lib.concatMapStrings (x: "ListenDatagram=${x}\n") s.listenDatagrams;
    timer = t: unitSection t + "\n[Timer]\n" + settings t.timerConfig;
    path = p: unitSection p + "\n[Path]\n" + settings p.pathConfig;
    slice = s: unitSection s + "\n[Slice]\n" + settings s.sliceConfig;
    mount =
      m:
      unitSection m
      + "\n[Mount]\n"
      + settings (
        {
          What = m.what;
          Where = m.where;
        }
        // lib.optionalAttrs (m.type != "") { Type = m.type; }
        // lib.optionalAttrs (m.options != "") { Options = m.options; }
        // m.mountConfig
      );
  };
in
{
  inherit settings unitNames;
  unitType = types.submodule (
    { config, name, ... }:
    {
      options = shared // {
        text = option (types.nullOr types.str) null;
        unit = internal types.unspecified null;
      };
      config.name = lib.mkDefault name;
    }
  );
  types = {
    service = types.submodule [
      (unitModule ".service")
      serviceModule
    ];
    target = types.submodule [ (unitModule ".target") ];
    socket = types.submodule [
      (unitModule ".socket")
      {
        options = {
          listenStreams = option (types.listOf types.str) [ ];
          listenDatagrams = option (types.listOf types.str) [ ];
          socketConfig = option section { };
        };
      }
    ];
    timer = types.submodule [
      (unitModule ".timer")
      { options.timerConfig = option section { }; }
    ];
    path = types.submodule [
      (unitModule ".path")
      { options.pathConfig = option section { }; }
    ];
    slice = types.submodule [
      (unitModule ".slice")
      { options.sliceConfig = option section { }; }
    ];
    mount = types.submodule [
      (unitModule ".mount")
      {
        options = {
          what = required types.str;
          where = required types.str;
          type = option types.str "";
          options = option types.commas "";
          mountConfig = option section { };
        };
      }
    ];
  };
  # A declared unit as an entry of systemd.units.
  toUnit = kind: unit: {
    inherit (unit)
      enable
      aliases
      wantedBy
      requiredBy
      upheldBy
      overrideStrategy
      ;
    text = texts.${kind} unit;
  };
}
