package remote

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultDialErrorLimit = 10
	defaultDialTimeout    = 15 // seconds
	unlimitedDials        = -1
)

// Endpoint says where one SSH server is, and who we are there.
type Endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	Host               *string  `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// ProxyConnection is a host to go through.
type ProxyConnection struct{ Endpoint }

// Annotate sets the defaults that the engine writes into the inputs.
func (p *ProxyConnection) Annotate(a infer.Annotator) { p.annotate(a) }

// Connection is the host that a command runs on.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// Annotate sets the defaults that the engine writes into the inputs.
func (c *Connection) Annotate(a infer.Annotator) { c.annotate(a) }

func (e *Endpoint) annotate(a infer.Annotator) {
	a.SetDefault(&e.User, defaultUser)
	a.SetDefault(&e.Port, defaultPort)
	a.SetDefault(&e.DialErrorLimit, defaultDialErrorLimit)
	a.SetDefault(&e.PerDialTimeout, defaultDialTimeout)
}

// address is what is dialled, as host:port.
func (e *Endpoint) address() string {
	return net.JoinHostPort(*e.Host, strconv.Itoa(int(orElse(e.Port, defaultPort))))
}

func (e *Endpoint) dialErrorLimit() int {
	return orElse(e.DialErrorLimit, defaultDialErrorLimit)
}

// clientConfig turns the endpoint's keys into what the SSH client wants.
func (e *Endpoint) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User: orElse(e.User, defaultUser),
		// A host that the program did not pin is not checked: the official plugin's default.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         time.Duration(orElse(e.PerDialTimeout, defaultDialTimeout)) * time.Second,
	}
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	methods, err := e.authMethods()
	config.Auth = methods
	return config, err
}

func (e *Endpoint) authMethods() ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	if e.PrivateKey != nil {
		signer, err := parseKey(*e.PrivateKey, e.PrivateKeyPassword)
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = *e.Password
			}
			return answers, nil
		}
		methods = append(methods, ssh.Password(*e.Password), ssh.KeyboardInteractive(answer))
	}
	if socket := orElse(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return methods, nil
}

func parseKey(text string, password *string) (ssh.Signer, error) {
	if password != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(*password))
	}
	return ssh.ParsePrivateKey([]byte(text))
}

func orElse[T any](value *T, fallback T) T {
	if value == nil {
		return fallback
	}
	return *value
}
