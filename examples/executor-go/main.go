// Command executor-go executes the runs of a topic, with nothing of Tickwheel's but the generated
// stubs: it takes records from Kafka, or from the embedded log of `tickwheel dev`, and reports
// through ExecutorService. docs/executors.md says what each step is for.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// handle is what you would write: it executes one run. Its result is kept on the run as JSON.
//
// ctx is cancelled when the run is to stop: it was cancelled, or its time has run out.
func handle(ctx context.Context, run *Run) (any, error) {
	var order struct {
		Text string `json:"text"`
		Fail bool   `json:"fail"`
	}
	if err := json.Unmarshal(run.Payload, &order); err != nil {
		// Another attempt would not help.
		return nil, NotRetryable(err)
	}
	if order.Fail && run.Attempt == 1 {
		return nil, errors.New("the first attempt fails on purpose")
	}
	log.Printf("%s, attempt %d: %s", run.Name, run.Attempt, order.Text)
	return map[string]any{"characters": len([]rune(order.Text))}, nil
}

func main() {
	address := flag.String("address", setting("TICKWHEEL_ADDRESS", "127.0.0.1:7420"), "the api, host:port")
	brokers := flag.String("kafka-bootstrap", setting("TICKWHEEL_KAFKA_BOOTSTRAP", ""), "where the log is Kafka")
	topic := flag.String("topic", "greetings", "whose runs to execute")
	group := flag.String("group", "executor-go", "executors of one group share the runs")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *address, *brokers, *topic, *group); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, address, brokers, topic, group string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	stub := tickwheelv1.NewExecutorServiceClient(connection)
	source, err := open(ctx, stub, brokers, topic, group)
	if err != nil {
		return err
	}
	defer source.Close()
	host, _ := os.Hostname()
	executor := &Executor{Stub: stub, Name: fmt.Sprintf("%s-%d", host, os.Getpid()), Handle: handle}
	for {
		records, err := source.Take(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		// What has begun is finished and reported, also when a signal comes meanwhile.
		executor.Execute(context.WithoutCancel(ctx), records)
		// Only now: after a crash before this line the records are handed out again.
		if err := source.Finished(context.WithoutCancel(ctx), records); err != nil {
			return err
		}
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
