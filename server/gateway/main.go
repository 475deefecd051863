// Command tickwheel-gateway serves Tickwheel's REST API: each request becomes one gRPC call to the
// api. It holds no state, any number of replicas may run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// maxMessage is the largest message that passes, in bytes, as in the api.
const maxMessage = 16 << 20

// stopGrace is how long requests under way may take once the process is asked to stop.
const stopGrace = 4 * time.Second

func main() {
	settings, err := parseSettings(os.Args[1:], os.LookupEnv)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tickwheel-gateway:", err)
		os.Exit(2)
	}
	configureLogs(settings.logLevel, settings.logFormat, os.Stderr)
	if err := run(settings); err != nil {
		slog.Error("gateway failed", "error", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.withParent {
		go stopWithParent(stop)
	}
	seen, err := startTelemetry(ctx, s)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(s.apiAddress, append(
		seen.dialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	)...)
	if err != nil {
		return fmt.Errorf("address of the api %q: %w", s.apiAddress, err)
	}
	defer conn.Close()
	handler, err := newHandler(ctx, conn, newRoom())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.httpAddress)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.httpAddress, err)
	}
	server := &http.Server{Handler: seen.around(handler), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("gateway serves", "http", listener.Addr().String(), "api", s.apiAddress)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	defer seen.stop()
	if err := server.Shutdown(grace); err != nil {
		// Watches never end by themselves: they are cut.
		return server.Close()
	}
	return nil
}

// stopWithParent stops once standard input ends, which is when the parent process is gone, however
// it went.
func stopWithParent(stop func()) {
	buffer := make([]byte, 1)
	for {
		if _, err := os.Stdin.Read(buffer); err != nil {
			stop()
			return
		}
	}
}
