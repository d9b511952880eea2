// Command oracle says what kube-scheduler's own plugins say: it reads cases as JSON lines on
// standard input and writes one JSON line of answers for each, in their order.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

const longestLine = 16 << 20

func main() {
	if err := run(os.Stdin, os.Stdout, max(1, runtime.NumCPU())); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

type job struct {
	line   []byte
	answer chan []byte
}

// run answers the lines with several schedulers at once, for each has one case at a time.
func run(input io.Reader, output io.Writer, workers int) error {
	metrics.Register()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	jobs := make(chan job)
	waiting := make(chan chan []byte, 64*workers)
	for range workers {
		s, err := newScheduler(ctx)
		if err != nil {
			return err
		}
		go func() {
			for job := range jobs {
				job.answer <- s.answer(ctx, job.line)
			}
		}()
	}
	failed := make(chan error, 1)
	go func() {
		defer close(waiting)
		defer close(jobs)
		scanner := bufio.NewScanner(input)
		scanner.Buffer(make([]byte, 1<<16), longestLine)
		for scanner.Scan() {
			answer := make(chan []byte, 1)
			waiting <- answer
			jobs <- job{append([]byte(nil), scanner.Bytes()...), answer}
		}
		failed <- scanner.Err()
	}()
	out := bufio.NewWriter(output)
	for answer := range waiting {
		if _, err := out.Write(append(<-answer, '\n')); err != nil {
			return err
		}
	}
	if err := <-failed; err != nil {
		return err
	}
	return out.Flush()
}

func (s *scheduler) answer(ctx context.Context, line []byte) []byte {
	c := &Case{}
	answer := &Answer{}
	err := json.Unmarshal(line, c)
	if err == nil {
		answer, err = s.evaluate(ctx, c)
	}
	if err != nil {
		answer = &Answer{Error: err.Error()}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		// An answer is strings and numbers only.
		panic(err)
	}
	return text
}
