package main

import (
	"context"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// linesConfig is the exporter's settings.
type linesConfig struct {
	// Path of the file that is appended to.
	Path string `mapstructure:"path"`
}

// lines makes the exporter `lines`: each batch of spans or metrics is a line of the file.
func lines() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config { return &linesConfig{} },
		exporter.WithTraces(
			func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
				file := &lineFile{path: cfg.(*linesConfig).Path}
				marshaler := ptrace.JSONMarshaler{}
				push := func(_ context.Context, batch ptrace.Traces) error {
					line, err := marshaler.MarshalTraces(batch)
					if err != nil {
						return err
					}
					return file.append(line)
				}
				return exporterhelper.NewTraces(ctx, set, cfg, push)
			},
			component.StabilityLevelDevelopment,
		),
		exporter.WithMetrics(
			func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
				file := &lineFile{path: cfg.(*linesConfig).Path}
				marshaler := pmetric.JSONMarshaler{}
				push := func(_ context.Context, batch pmetric.Metrics) error {
					line, err := marshaler.MarshalMetrics(batch)
					if err != nil {
						return err
					}
					return file.append(line)
				}
				return exporterhelper.NewMetrics(ctx, set, cfg, push)
			},
			component.StabilityLevelDevelopment,
		),
	)
}

type lineFile struct {
	path string
	lock sync.Mutex
}

func (f *lineFile) append(line []byte) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = file.Write(append(line, '\n')); err != nil {
		return err
	}
	return file.Close()
}
