package remote

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

// run runs one command over a connection of its own, and keeps its output in the state.
func (c *Command) run(ctx context.Context, state *State, command *string) error {
	if command == nil {
		return nil
	}
	client, hangUp, err := state.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer hangUp()

	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := setEnvironment(ctx, session, state); err != nil {
		return err
	}
	if stdin := orElse(state.Stdin, ""); stdin != "" {
		session.Stdin = strings.NewReader(stdin)
	}
	out := newOutput(ctx, state.Logging)
	session.Stdout, session.Stderr = out.stdout(), out.stderr()

	ended := make(chan error, 1)
	go func() { ended <- session.Run(*command) }()
	select {
	case err = <-ended:
	case <-c.Cancelled:
		hangUp()
		<-ended
		err = context.Canceled
	}
	out.flush()
	if err != nil {
		// Standard input stays out of it: it may hold secrets, and errors are printed.
		return fmt.Errorf("%w: running %q:\n%s", err, *command, out.both.String())
	}
	state.Stdout = strings.TrimSuffix(out.out.String(), "\n")
	state.Stderr = strings.TrimSuffix(out.err.String(), "\n")
	return nil
}

// setEnvironment asks the server for the program's variables, which it may refuse, and
// offers it the last run's output, which it may refuse with a warning.
func setEnvironment(ctx context.Context, session *ssh.Session, state *State) error {
	log := p.GetLogger(ctx)
	for name, value := range state.Environment {
		if err := session.Setenv(name, value); err != nil {
			log.Error(refused(name))
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	if !orElse(state.AddPreviousOutputInEnv, true) {
		return nil
	}
	for name, value := range map[string]string{
		"PULUMI_COMMAND_STDOUT": state.Stdout,
		"PULUMI_COMMAND_STDERR": state.Stderr,
	} {
		if value == "" {
			continue
		}
		if err := session.Setenv(name, value); err != nil {
			log.Warning(refused(name))
		}
	}
	return nil
}

func refused(name string) string {
	return fmt.Sprintf("Unable to set '%s'. This only works if your SSH server is configured to "+
		"accept it via AcceptEnv. With a Bash-like shell on the host, prefix the command with "+
		"'VAR=value' instead.", name)
}
