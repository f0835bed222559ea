package remote

import (
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

// output collects both streams, apart and as they come, and logs whole lines of them.
type output struct {
	mutex    sync.Mutex
	out, err bytes.Buffer
	both     bytes.Buffer
	line     bytes.Buffer
	log      func(line string)
	shown    Logging
}

func newOutput(ctx context.Context, logging *Logging) *output {
	return &output{
		log:   p.GetLogger(ctx).InfoStatus,
		shown: orElse(logging, logBoth),
	}
}

func (o *output) stdout() io.Writer {
	return &stream{o, &o.out, o.shown == logStdout || o.shown == logBoth}
}
func (o *output) stderr() io.Writer {
	return &stream{o, &o.err, o.shown == logStderr || o.shown == logBoth}
}

// flush logs a last line without an end.
func (o *output) flush() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.line.Len() > 0 {
		o.log(o.line.String())
		o.line.Reset()
	}
}

type stream struct {
	output *output
	own    *bytes.Buffer
	logged bool
}

// Write never fails. The SSH client calls it for each stream in a goroutine of its own.
func (s *stream) Write(data []byte) (int, error) {
	o := s.output
	o.mutex.Lock()
	defer o.mutex.Unlock()
	s.own.Write(data)
	o.both.Write(data)
	if !s.logged {
		return len(data), nil
	}
	for rest := data; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		o.line.Write(line)
		if whole {
			o.log(o.line.String())
			o.line.Reset()
		}
		rest = after
	}
	return len(data), nil
}
