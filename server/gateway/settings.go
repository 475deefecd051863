package main

import (
	"flag"
	"fmt"
	"net"
)

// settings are flags; each has an environment variable that gives its default.
type settings struct {
	httpAddress string
	apiAddress  string
	withParent  bool
}

func parseSettings(args []string, getenv func(string) string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("tickwheel-gateway", flag.ContinueOnError)
	flags.StringVar(&s.httpAddress, "http-address", or(getenv("TICKWHEEL_HTTP_ADDRESS"), "127.0.0.1:7480"),
		"host:port on which HTTP is served (TICKWHEEL_HTTP_ADDRESS)")
	flags.StringVar(&s.apiAddress, "api-address", or(getenv("TICKWHEEL_ADDRESS"), "127.0.0.1:7420"),
		"host:port of the api's gRPC (TICKWHEEL_ADDRESS)")
	flags.BoolVar(&s.withParent, "with-parent", false,
		"stop when standard input ends: the parent process holds its other end")
	if err := flags.Parse(args); err != nil {
		return s, err
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
