package main

import (
	"io"
	"log/slog"
	"strings"
)

// configureLogs makes lines of JSON with the keys that the other parts' have. What libraries say
// through package log goes the same way. The console form is slog's own.
func configureLogs(format string, to io.Writer) {
	if format != "json" {
		return
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return attr
			}
			switch attr.Key {
			case slog.TimeKey:
				return slog.Time("timestamp", attr.Value.Time().UTC())
			case slog.LevelKey:
				return slog.String("level", levelNames.Replace(attr.Value.String()))
			case slog.MessageKey:
				attr.Key = "event"
			}
			return attr
		},
	})))
}

var levelNames = strings.NewReplacer("DEBUG", "debug", "INFO", "info", "WARN", "warning", "ERROR", "error")
