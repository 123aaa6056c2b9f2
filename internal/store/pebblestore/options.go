package pebblestore

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/byre-messenger/byre/internal/store"
)

// Options say how to open a store. The zero value suits a person's device.
type Options struct {
	// Format is the number of the records' layout that the caller knows, from
	// 1; 0 counts as 1. A directory written under a higher one is refused.
	Format int
	// Migrate brings records from an older format to Format. It runs inside
	// Open and may run again after a crash. Without it an older directory is
	// refused.
	Migrate func(s store.Store, from int) error
	// Server takes memory and file handles for many writers: a cache of 32 MiB
	// and up to four memtables of 16 MiB, against 4 MiB and two of 4 MiB on a
	// person's device.
	Server bool
	// Log gets what the engine complains about; nil silences it.
	Log *slog.Logger
	// Fatal is called once, from any goroutine, when the disk has failed and
	// the store will answer nothing more. It should end the process: if it
	// returns, calls under way may hang. Without it the store answers ErrFailed
	// where it can, and panics where the engine can't go on.
	Fatal func(error)
	// FS is where the directory stands; nil is the machine's file system.
	FS vfs.FS
}

// engine returns Pebble's options.
func (o Options) engine(s *Store) *pebble.Options {
	log := logger{s}
	p := &pebble.Options{
		FS:     watchFS{o.FS, s},
		Lock:   s.lock,
		Logger: log,
		EventListener: &pebble.EventListener{
			WALCreated: func(info pebble.WALCreateInfo) {
				if info.Err != nil { // Pebble would end the process with a stack dump
					log.Fatalf("can't begin a log: %v", info.Err)
				}
			},
			BackgroundError: func(err error) {
				s.start.complain(err)
				log.Errorf("background error: %v", err)
			},
		},
		// Fixed, and raised only together with Format: an older byre must
		// refuse by our number, not by an error of the engine.
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		CacheSize:                   4 << 20,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 2,
		MaxOpenFiles:                128,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
	}
	// Records are sealed: there is nothing to compress.
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if o.Server {
		p.CacheSize = 32 << 20
		p.MemTableSize = 16 << 20
		p.MemTableStopWritesThreshold = 4
		p.MaxOpenFiles = 1024
		p.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
	}
	return p
}

// logger hands Pebble's complaints to the log. What Pebble tells about its work
// is dropped: it names keys.
type logger struct{ s *Store }

func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if log := l.s.opts.Log; log != nil {
		log.Error("the storage engine complains", slog.String("err", fmt.Sprintf(format, args...)))
	}
}

// Fatalf is called where Pebble expects never to return.
func (l logger) Fatalf(format string, args ...any) {
	err := l.s.fail(fmt.Errorf(format, args...))
	if l.s.opts.Fatal == nil {
		panic(err)
	}
	select {} // Pebble holds locks over state that is no longer true
}
