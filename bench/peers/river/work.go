package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

const (
	// The queue is asked for due jobs this often: River's default is a second, and a job that was
	// scheduled is found by asking alone.
	pollInterval  = 10 * time.Millisecond
	fetchCooldown = 5 * time.Millisecond
	// What is fetched at once at most.
	maxWorkers = 2_000
	maxConns   = 10
	flushEvery = 20 * time.Millisecond
	stopWithin = 10 * time.Second
)

type stampWorker struct {
	river.WorkerDefaults[stampArgs]
	stamps *stamps
}

func (worker *stampWorker) Work(_ context.Context, job *river.Job[stampArgs]) error {
	worker.stamps.add(job.Args.Number, time.Now())
	return nil
}

// Works until the context ends.
func work(ctx context.Context, url, folder string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	config.MaxConns = maxConns
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	stamps, err := newStamps(folder)
	if err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &stampWorker{stamps: stamps})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: pollInterval,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}},
		Workers:           workers,
	})
	if err != nil {
		return err
	}
	if err := client.Start(context.Background()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(flushEvery):
		}
		if err := stamps.flush(); err != nil {
			return err
		}
	}
	stopping, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := client.Stop(stopping); err != nil {
		return err
	}
	return stamps.flush()
}

// Lines of one length, in a file of this process.
type stamps struct {
	mutex sync.Mutex
	lines bytes.Buffer
	file  *os.File
}

func newStamps(folder string) (*stamps, error) {
	file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.stamps", os.Getpid())))
	if err != nil {
		return nil, err
	}
	return &stamps{file: file}, nil
}

func (stamps *stamps) add(number int, at time.Time) {
	stamps.mutex.Lock()
	defer stamps.mutex.Unlock()
	fmt.Fprintf(&stamps.lines, "%010d %016d\n", number, at.UnixMicro())
}

func (stamps *stamps) flush() error {
	stamps.mutex.Lock()
	defer stamps.mutex.Unlock()
	_, err := stamps.lines.WriteTo(stamps.file)
	return err
}
