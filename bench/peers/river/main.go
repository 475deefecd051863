// Command river is River as a peer of the bench: see ../port.py for what it is told and answers.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// What the queue's function is given: its number, and a payload that is as large as anybody's.
type stampArgs struct {
	Number  int    `json:"number"`
	Payload string `json:"payload"`
}

func (stampArgs) Kind() string { return "stamp" }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: river setup URL | submit URL ORDER | work URL FOLDER")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	switch action, url, rest := args[0], args[1], args[2:]; {
	case action == "setup" && len(rest) == 0:
		return setUp(ctx, url)
	case action == "submit" && len(rest) == 1:
		var given order
		if err := json.Unmarshal([]byte(rest[0]), &given); err != nil {
			return fmt.Errorf("ORDER: %w", err)
		}
		receipt, err := submit(ctx, url, given)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(receipt)
	case action == "work" && len(rest) == 1:
		return work(ctx, url, rest[0])
	default:
		return fmt.Errorf("%v: no such call", args)
	}
}

func setUp(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
