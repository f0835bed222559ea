package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	retrying "github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
)

const tcp = "tcp"

// dial connects to the host, through its proxy if it has one. Nobody closes what it returns: a
// connection ends with the plugin's process, and that at the end of the engine's run. Nothing
// but TCP's own part of an attempt has a limit: a server that accepts and says nothing is
// waited for without end, whatever becomes of the context.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	if c.Proxy == nil {
		return retry(ctx, "Dial", c.dialErrorLimit(), func() (*ssh.Client, error) {
			return ssh.Dial(tcp, c.address(), config)
		})
	}
	client, err := c.dialThroughProxy(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *Connection) dialThroughProxy(
	ctx context.Context, config *ssh.ClientConfig,
) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, err
	}
	proxy, err := retry(ctx, "Dial proxy", c.Proxy.dialErrorLimit(), func() (*ssh.Client, error) {
		return ssh.Dial(tcp, c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	conn, err := retry(ctx, "Dial from proxy", c.dialErrorLimit(), func() (net.Conn, error) {
		return proxy.Dial(tcp, c.address())
	})
	if err != nil {
		return nil, err
	}
	// Each attempt is over the same connection, so that none after a failed one can succeed.
	return retry(ctx, "Dial", c.dialErrorLimit(), func() (*ssh.Client, error) {
		sshConn, channels, requests, err := ssh.NewClientConn(conn, c.address(), config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(sshConn, channels, requests), nil
	})
}

// retry makes attempts until one succeeds, more than limit have failed, or the context ends
// between two of them, at a custom timeout or when the run is cancelled. A rejected key is a
// failed attempt like a closed port: a host that is still being set up shows the one after the
// other.
func retry[T any](
	ctx context.Context, what string, limit int, attempt func() (T, error),
) (T, error) {
	var result T
	accepted, _, err := retrying.Until(ctx, retrying.Acceptor{
		Accept: func(before int, _ time.Duration) (bool, any, error) {
			var err error
			if result, err = attempt(); err == nil {
				return true, nil, nil
			}
			if limit > unlimitedDials && before >= limit {
				return true, nil, fmt.Errorf("after %d failed attempts: %w", before, err)
			}
			p.GetLogger(ctx).InfoStatusf(
				"%s %d/%s failed: retrying", what, before+1, limitText(limit),
			)
			return false, nil, nil
		},
	})
	if err == nil && !accepted {
		err = ctx.Err()
	}
	return result, err
}

func limitText(limit int) string {
	if limit == unlimitedDials {
		return "inf"
	}
	return strconv.Itoa(limit)
}
