package main

import (
	"flag"
	"fmt"
	"net"
	"strconv"
)

// settings are flags; each has an environment variable that gives its default.
type settings struct {
	httpAddress string
	apiAddress  string
	withParent  bool
	// otlpEndpoint is empty for no tracing.
	otlpEndpoint string
	traceRatio   float64
	// logFormat is console or json, as of the other parts.
	logFormat string
}

func parseSettings(args []string, getenv func(string) string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("tickwheel-gateway", flag.ContinueOnError)
	flags.StringVar(&s.httpAddress, "http-address", or(getenv("TICKWHEEL_HTTP_ADDRESS"), "127.0.0.1:7480"),
		"host:port on which HTTP is served (TICKWHEEL_HTTP_ADDRESS)")
	flags.StringVar(&s.apiAddress, "api-address", or(getenv("TICKWHEEL_ADDRESS"), "127.0.0.1:7420"),
		"host:port of the api's gRPC (TICKWHEEL_ADDRESS)")
	flags.StringVar(&s.otlpEndpoint, "otlp-endpoint", getenv("TICKWHEEL_OTLP_ENDPOINT"),
		"http://host:port of an OpenTelemetry Collector, OTLP over gRPC (TICKWHEEL_OTLP_ENDPOINT)")
	ratio := flags.String("trace-ratio", or(getenv("TICKWHEEL_TRACE_RATIO"), "0.01"),
		"part of the traces that begin here and are kept (TICKWHEEL_TRACE_RATIO)")
	flags.StringVar(&s.logFormat, "log-format", or(getenv("TICKWHEEL_LOG_FORMAT"), "console"),
		"console or json (TICKWHEEL_LOG_FORMAT)")
	flags.BoolVar(&s.withParent, "with-parent", false,
		"stop when standard input ends: the parent process holds its other end")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	if s.traceRatio, err = strconv.ParseFloat(*ratio, 64); err != nil || s.traceRatio < 0 || s.traceRatio > 1 {
		return s, fmt.Errorf("-trace-ratio: %q is not a number from 0 to 1", *ratio)
	}
	if s.logFormat != "console" && s.logFormat != "json" {
		return s, fmt.Errorf("-log-format: %q is neither console nor json", s.logFormat)
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	for name, address := range map[string]string{"http-address": s.httpAddress, "api-address": s.apiAddress} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return s, fmt.Errorf("-%s: %q is not host:port", name, address)
		}
	}
	return s, nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
