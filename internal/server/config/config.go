// Package config is what an operator may decide: the settings of byred, their
// defaults, their reference text, and the checks with one sentence each.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Bounds of the retention time (R2). The upper one is a promise to users:
// clients refuse a server that announces more.
const (
	RetentionMin = 48 * time.Hour
	RetentionMax = 72 * time.Hour
)

// Where the keys of what waits may be.
const (
	VaultFile   = "file"
	VaultMemory = "memory"
)

// Config are the settings. Flags of the same names go before the file.
type Config struct {
	Data         string   `toml:"data" help:"Directory that holds everything the server keeps. Created if missing."`
	Listen       string   `toml:"listen" help:"HOST:PORT for devices (TLS 1.3). Port 0 picks a free one."`
	Web          string   `toml:"web" help:"Loopback HOST:PORT for the browser page, or \"off\"."`
	Names        []string `toml:"names" help:"More host names or addresses that the local certificate is for."`
	Retention    Duration `toml:"retention" help:"How long what waits may wait: 48h to 72h."`
	Vault        string   `toml:"vault" help:"Where the keys of what waits are: \"file\" (in DIR/vault; what waits survives a restart) or \"memory\" (they end with byred; senders are told held, and send again)."`
	Registration string   `toml:"registration" help:"Who may make an account: \"open\" (everybody), \"invite\" (who has a code of 'byred invite'), \"closed\" (nobody), or \"auto\": by invitation once the server has a domain, everybody before."`
	// RegistrationWork is in bits: each doubles it.
	RegistrationWork int    `toml:"registration_work" help:"Work that an account costs where registration is open: 0 (none) to 22, each one more doubles it. -1 is 21, or 0 on a loopback address."`
	LogFormat        string `toml:"log_format" help:"\"text\" or \"json\"; logs go to stderr."`

	Domains   []string `toml:"domains" help:"Public host names of the server. With any, certificates come by ACME (TLS-ALPN-01, port 443 must lead here)."`
	ACME      string   `toml:"acme" help:"Directory of the ACME authority; for trials use https://acme-staging-v02.api.letsencrypt.org/directory."`
	ACMEEmail string   `toml:"acme_email" help:"Where the authority writes when certificates are in trouble. May be empty."`
	ACMECA    string   `toml:"acme_ca" help:"PEM file that the authority's own address is trusted by; empty means the system's."`
	Metrics   string   `toml:"metrics" help:"Loopback HOST:PORT of /metrics, /healthz and /readyz, or \"off\"."`
	Ballast   Size     `toml:"ballast" help:"Room that is given up when the disk is full, so that what waits can still be handed out and deleted; or \"off\"."`

	// Now is decided for this start alone.
	Now Decisions `toml:"-"`
}

// Decisions are what an operator decides for one start alone: no file holds them.
type Decisions struct {
	// AcceptClock believes a clock that is more than 7 days ahead of when the
	// server last ran: what waited is past its time then, and is destroyed.
	AcceptClock bool
	// GiveUpWaiting goes on without what waited, whose keys are lost.
	GiveUpWaiting bool
}

// Duration is a [time.Duration] in its text form ("72h").
type Duration time.Duration

// MarshalText writes the duration as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no duration; write it like 72h", b)
	}
	*d = Duration(v)
	return nil
}

// Default returns the settings of a server that was told nothing.
func Default() Config {
	return Config{
		Data: "byre-data", Listen: "127.0.0.1:8443", Web: "localhost:8080",
		Retention: Duration(RetentionMax), Vault: VaultFile, Registration: registrationAuto, RegistrationWork: workAuto, LogFormat: "text",
		ACME: LetsEncrypt, Metrics: off, Ballast: 64 << 20,
	}
}

// Load reads a file over the settings in c. A setting that does not exist is an
// error: a misspelt one must not pass for one that holds.
func (c *Config) Load(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	meta, err := toml.Decode(string(b), c)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("configuration %s: there is no setting %q; 'byred config init' lists them", path, unknown[0])
	}
	return nil
}

// Check returns what is wrong with the settings, one sentence for each.
func (c *Config) Check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Data == "" {
		refuse("data: name a directory")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		refuse("listen: %q is not HOST:PORT", c.Listen)
	}
	if c.Web != "off" {
		if host, _, err := net.SplitHostPort(c.Web); err != nil {
			refuse("web: %q is neither HOST:PORT nor off", c.Web)
		} else if !Loopback(host) {
			refuse("web: %q is not a loopback address; without TLS the page may be served to this machine alone", host)
		}
	}
	if r := time.Duration(c.Retention); r < RetentionMin || r > RetentionMax {
		refuse("retention: %s is outside 48h to 72h; clients refuse a server that keeps longer", r)
	}
	if c.Vault != VaultFile && c.Vault != VaultMemory {
		refuse("vault: %q is neither file nor memory", c.Vault)
	}
	c.checkRegistration(refuse)
	if c.LogFormat != "text" && c.LogFormat != "json" {
		refuse("log_format: %q is neither text nor json", c.LogFormat)
	}
	c.checkOperations(refuse)
	return errors.Join(errs...)
}

// Loopback reports whether host can be reached from this machine alone.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// WriteReference writes every setting with its text and default, as a file that
// can be loaded.
func WriteReference(w io.Writer) error {
	c := Default()
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("toml") == "-" {
			continue
		}
		var b strings.Builder
		if err := toml.NewEncoder(&b).Encode(map[string]any{f.Tag.Get("toml"): v.Field(i).Interface()}); err != nil {
			return err
		}
		line := b.String()
		if line == "" {
			line = f.Tag.Get("toml") + " = []\n"
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", f.Tag.Get("help"), line); err != nil {
			return err
		}
	}
	return nil
}
