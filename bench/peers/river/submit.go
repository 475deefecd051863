package main

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/errgroup"
)

type order struct {
	First   int     `json:"first"`
	Count   int     `json:"count"`
	Batch   int     `json:"batch"`
	Clients int     `json:"clients"`
	WarmUp  int     `json:"warm_up"`
	DueUs   int64   `json:"due_us"`
	ApartUs float64 `json:"apart_us"`
	Payload int     `json:"payload"`
}

type receipt struct {
	Seconds float64 `json:"seconds"`
	P50Ms   float64 `json:"p50_ms"`
	P99Ms   float64 `json:"p99_ms"`
	CPUS    float64 `json:"cpu_s"`
	PeakMiB int64   `json:"peak_mib"`
}

// Hands the jobs in, the warming ones first, whose numbers come after all others.
func submit(ctx context.Context, url string, given order) (receipt, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return receipt{}, err
	}
	config.MaxConns = int32(given.Clients)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return receipt{}, err
	}
	defer pool.Close()
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return receipt{}, err
	}
	jobs := given.jobs()
	if _, err := send(ctx, client, jobs[given.Count:], given); err != nil {
		return receipt{}, err
	}
	before, begun := usage(), time.Now()
	tookMs, err := send(ctx, client, jobs[:given.Count], given)
	if err != nil {
		return receipt{}, err
	}
	took, after := time.Since(begun).Seconds(), usage()
	return receipt{
		Seconds: took,
		P50Ms:   percentile(tookMs, 50),
		P99Ms:   percentile(tookMs, 99),
		CPUS:    cpuSeconds(after) - cpuSeconds(before),
		PeakMiB: after.Maxrss / 1024,
	}, nil
}

func (given order) jobs() []river.InsertManyParams {
	payload := strings.Repeat("x", given.Payload)
	jobs := make([]river.InsertManyParams, given.Count+given.WarmUp)
	for place := range jobs {
		due := time.UnixMicro(given.DueUs + int64(float64(place)*given.ApartUs))
		jobs[place] = river.InsertManyParams{
			Args:       stampArgs{given.First + place, payload},
			InsertOpts: &river.InsertOpts{ScheduledAt: due},
		}
	}
	return jobs
}

// Returns how long each request took, ascending.
func send(
	ctx context.Context, client *river.Client[pgx.Tx], jobs []river.InsertManyParams, given order,
) ([]float64, error) {
	requests := make(chan []river.InsertManyParams)
	took := make([][]float64, given.Clients)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(requests)
		for request := range slices.Chunk(jobs, given.Batch) {
			select {
			case requests <- request:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for each := range given.Clients {
		group.Go(func() error {
			for request := range requests {
				begun := time.Now()
				if err := insert(ctx, client, request); err != nil {
					return err
				}
				took[each] = append(took[each], float64(time.Since(begun).Microseconds())/1000)
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Sorted(slices.Values(slices.Concat(took...))), err
}

func insert(
	ctx context.Context, client *river.Client[pgx.Tx], request []river.InsertManyParams,
) error {
	if len(request) == 1 {
		_, err := client.Insert(ctx, request[0].Args, request[0].InsertOpts)
		return err
	}
	_, err := client.InsertManyFast(ctx, request)
	return err
}

// Nearest rank, of values in ascending order.
func percentile(ordered []float64, percent int) float64 {
	if len(ordered) == 0 {
		return 0
	}
	return ordered[max((percent*len(ordered)+99)/100, 1)-1]
}

func usage() syscall.Rusage {
	var found syscall.Rusage
	// It fails for arguments that are not these.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &found)
	return found
}

func cpuSeconds(found syscall.Rusage) float64 {
	return float64(found.Utime.Nano()+found.Stime.Nano()) / 1e9
}
