package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

const (
	firstDelay  = 100 * time.Millisecond
	delayGrowth = 1.5
	longest     = 5 * time.Second
)

// dial connects to the host, through its proxy if it has one, and returns the client and what
// hangs up. Both ends of the context, a cancelled run and a custom timeout, end it, in the
// middle of a handshake too.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, func(), error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, nil, err
	}
	if c.Proxy != nil {
		return c.dialThroughProxy(ctx, config)
	}
	client, err := retry(ctx, "Dial", c.dialErrorLimit(), func() (*ssh.Client, error) {
		return connect(ctx, c.address(), config, dialDirect(config.Timeout))
	})
	if err != nil {
		return nil, nil, err
	}
	return client, func() { client.Close() }, nil
}

func (c *Connection) dialThroughProxy(
	ctx context.Context, config *ssh.ClientConfig,
) (*ssh.Client, func(), error) {
	proxyConfig, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	proxy, err := retry(ctx, "Dial proxy", c.Proxy.dialErrorLimit(), func() (*ssh.Client, error) {
		return connect(ctx, c.Proxy.address(), proxyConfig, dialDirect(proxyConfig.Timeout))
	})
	if err != nil {
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	client, err := retry(ctx, "Dial from proxy", c.dialErrorLimit(), func() (*ssh.Client, error) {
		return connect(ctx, c.address(), config, proxy.DialContext)
	})
	if err != nil {
		proxy.Close()
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	return client, func() {
		client.Close()
		proxy.Close()
	}, nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func dialDirect(timeout time.Duration) dialFunc {
	return (&net.Dialer{Timeout: timeout}).DialContext
}

// connect makes one attempt: the TCP connection and SSH's handshake over it.
func connect(
	ctx context.Context, address string, config *ssh.ClientConfig, dial dialFunc,
) (*ssh.Client, error) {
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	abandoned := context.AfterFunc(ctx, func() { conn.Close() })
	defer abandoned()
	sshConn, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(sshConn, channels, requests), nil
}

// retry makes attempts until one succeeds, more than limit have failed, or the context ends.
// A rejected key is a failed attempt like a closed port: a host that is still being set up
// shows the one after the other.
func retry[T any](
	ctx context.Context, what string, limit int, attempt func() (T, error),
) (T, error) {
	delay := firstDelay
	for failed := 1; ; failed++ {
		result, err := attempt()
		if err == nil {
			return result, nil
		}
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		if limit > unlimitedDials && failed > limit {
			return result, fmt.Errorf("after %d failed attempts: %w", limit, err)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, failed, limitText(limit))
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		delay = min(time.Duration(float64(delay)*delayGrowth), longest)
	}
}

func limitText(limit int) string {
	if limit == unlimitedDials {
		return "inf"
	}
	return strconv.Itoa(limit)
}
