package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// settings are flags; each has an environment variable that gives its default.
type settings struct {
	httpAddress string
	apiAddress  string
	withParent  bool
	// metricsAddress is empty for no metrics to be scraped; metricsRequired where it was asked for,
	// so that it is an error if it cannot be had.
	metricsAddress  string
	metricsRequired bool
	// otlpEndpoint is empty where nothing is pushed.
	otlpEndpoint string
	traceRatio   float64
	logLevel     slog.Level
	// logFormat is console or json, as of the other parts.
	logFormat string
}

// An endpoint with a password would be logged by whoever cannot reach it.
var endpointForm = regexp.MustCompile(`^(https?://[^/@\s]+)?$`)

func parseSettings(args []string, getenv func(string) (string, bool)) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("tickwheel-gateway", flag.ContinueOnError)
	text := func(to *string, name, variable, standard, usage string) {
		value, _ := getenv(variable)
		if value == "" {
			value = standard
		}
		flags.StringVar(to, name, value, usage+" ("+variable+")")
		// The help repeats nothing of the environment.
		flags.Lookup(name).DefValue = standard
	}
	text(&s.httpAddress, "http-address", "TICKWHEEL_HTTP_ADDRESS", "127.0.0.1:7480",
		"host:port on which HTTP is served")
	text(&s.apiAddress, "api-address", "TICKWHEEL_ADDRESS", "127.0.0.1:7420",
		"host:port of the api's gRPC")
	text(&s.metricsAddress, "metrics-address", "TICKWHEEL_METRICS_ADDRESS", "127.0.0.1:7490",
		"host:port on which metrics are served for Prometheus; none where empty")
	metrics, asked := getenv("TICKWHEEL_METRICS_ADDRESS")
	if asked {
		// Empty is an answer, too.
		s.metricsAddress = metrics
	}
	text(&s.otlpEndpoint, "otlp-endpoint", "TICKWHEEL_OTLP_ENDPOINT", "",
		"http://host:port of an OpenTelemetry Collector that takes OTLP over gRPC")
	var ratio, level string
	text(&ratio, "trace-ratio", "TICKWHEEL_TRACE_RATIO", "0.01",
		"part of the traces that begin here and are kept")
	text(&level, "log-level", "TICKWHEEL_LOG_LEVEL", "info",
		"least level logged: debug, info, warning or error")
	text(&s.logFormat, "log-format", "TICKWHEEL_LOG_FORMAT", "console", "console or json")
	flags.BoolVar(&s.withParent, "with-parent", false,
		"stop when standard input ends: the parent process holds its other end")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.metricsRequired = asked
	flags.Visit(func(given *flag.Flag) { s.metricsRequired = s.metricsRequired || given.Name == "metrics-address" })
	return s, s.read(flags, ratio, level)
}

// read takes in what is no string, and says what of it all is wrong, by name. What may hold a
// password is not repeated.
func (s *settings) read(flags *flag.FlagSet, ratio, level string) error {
	var err error
	if s.traceRatio, err = strconv.ParseFloat(ratio, 64); err != nil || !(s.traceRatio >= 0 && s.traceRatio <= 1) {
		return fmt.Errorf("-trace-ratio: %q is not a number from 0 to 1", ratio)
	}
	var ok bool
	if s.logLevel, ok = parseLevel(level); !ok {
		return fmt.Errorf("-log-level: %q is not debug, info, warning or error", level)
	}
	if s.logFormat != "console" && s.logFormat != "json" {
		return fmt.Errorf("-log-format: %q is neither console nor json", s.logFormat)
	}
	if !endpointForm.MatchString(s.otlpEndpoint) {
		return fmt.Errorf("-otlp-endpoint: it is not of the form http://host:port; " +
			"a password has its place in OTEL_EXPORTER_OTLP_HEADERS")
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are arguments that are no flags")
	}
	addresses := map[string]string{"http-address": s.httpAddress, "api-address": s.apiAddress}
	if s.metricsAddress != "" {
		addresses["metrics-address"] = s.metricsAddress
	}
	for name, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil || strings.Contains(address, "@") {
			return fmt.Errorf("-%s: it is not host:port", name)
		}
	}
	return nil
}

// visible is what may be told of the settings; none of them has a secret.
func (s *settings) visible() map[string]any {
	return map[string]any{
		"http_address": s.httpAddress, "api_address": s.apiAddress,
		"metrics_address": s.metricsAddress, "otlp_endpoint": s.otlpEndpoint,
		"trace_ratio": s.traceRatio, "log_level": levelNames[s.logLevel], "log_format": s.logFormat,
	}
}
