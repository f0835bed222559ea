package remote

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging says which of a command's streams the user sees while it runs.
type Logging string

const (
	logStdout Logging = "stdout"
	logStderr Logging = "stderr"
	logBoth   Logging = "stdoutAndStderr"
	logNone   Logging = "none"
)

// Values are what the schema allows.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: logStdout},
		{Name: "stderr", Value: logStderr},
		{Name: "stdoutAndStderr", Value: logBoth},
		{Name: "none", Value: logNone},
	}
}

// output collects both streams, apart and as they come, and logs them line by line.
type output struct {
	out, err bytes.Buffer
	both     locked
	lines    *io.PipeWriter
	logged   chan struct{}
	shown    Logging
}

func newOutput(ctx context.Context, logging *Logging) *output {
	reader, writer := io.Pipe()
	o := &output{lines: writer, logged: make(chan struct{}), shown: orElse(logging, logBoth)}
	go o.log(ctx, reader)
	return o
}

func (o *output) stdout() io.Writer {
	return o.stream(&o.out, o.shown == logStdout || o.shown == logBoth)
}

func (o *output) stderr() io.Writer {
	return o.stream(&o.err, o.shown == logStderr || o.shown == logBoth)
}

func (o *output) stream(own io.Writer, shown bool) io.Writer {
	if shown {
		return io.MultiWriter(own, &o.both, o.lines)
	}
	return io.MultiWriter(own, &o.both)
}

// log ends at a line that is too long for a Scanner, 64 KiB. Nobody reads the pipe any more
// then, and whoever writes to it waits for ever.
func (o *output) log(ctx context.Context, reader io.Reader) {
	defer close(o.logged)
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		p.GetLogger(ctx).InfoStatus(lines.Text())
	}
}

// end waits for the last line to be logged.
func (o *output) end() {
	o.lines.Close()
	<-o.logged
}

// locked is a buffer that both streams write to, each in a goroutine of the SSH client's.
type locked struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (l *locked) Write(data []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.buffer.Write(data)
}
