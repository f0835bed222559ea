package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

// The official plugin's framework, which is older than ours, cannot send such an output to the
// engine: a command that succeeded has failed.
var errNoText = errors.New("string field contains invalid UTF-8")

// run runs one command over a connection of its own, and keeps its output in the state. Once
// it is connected, nothing ends it but the command's end or the connection's: neither a custom
// timeout nor a run that is cancelled.
func (s *State) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := s.setEnvironment(ctx, session); err != nil {
		return err
	}
	if stdin := orElse(s.Stdin, ""); stdin != "" {
		session.Stdin = strings.NewReader(stdin)
	}
	out := newOutput(ctx, s.Logging)
	session.Stdout, session.Stderr = out.stdout(), out.stderr()
	err = session.Run(*command)
	out.end()
	if err != nil {
		// Standard input stays out of it: it may hold secrets, and errors are printed.
		return fmt.Errorf("%w: running %q:\n%s", err, *command, out.both.buffer.String())
	}
	stdout, stderr := out.out.String(), out.err.String()
	if !utf8.ValidString(stdout) || !utf8.ValidString(stderr) {
		return errNoText
	}
	s.Stdout = strings.TrimSuffix(stdout, "\n")
	s.Stderr = strings.TrimSuffix(stderr, "\n")
	return nil
}

// setEnvironment asks the server for the program's variables, which it may refuse, and
// offers it the last run's output, which it may refuse with a warning.
func (s *State) setEnvironment(ctx context.Context, session *ssh.Session) error {
	log := p.GetLogger(ctx)
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			log.Error(refused(name))
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	if !orElse(s.AddPreviousOutputInEnv, true) {
		return nil
	}
	offer := func(name, value string) {
		if value == "" {
			return
		}
		if err := session.Setenv(name, value); err != nil {
			log.Warning(refused(name))
		}
	}
	offer("PULUMI_COMMAND_STDOUT", s.Stdout)
	offer("PULUMI_COMMAND_STDERR", s.Stderr)
	return nil
}

func refused(name string) string {
	return fmt.Sprintf("Unable to set '%s'. This only works if your SSH server is configured to "+
		"accept it via AcceptEnv. With a Bash-like shell on the host, prefix the command with "+
		"'VAR=value' instead.", name)
}
