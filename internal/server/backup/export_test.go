package backup

import "github.com/byre-messenger/byre/internal/relay/atrest"

// Kept and Left tell what is decided of a kind of record.
func Kept(k atrest.Kind) bool { return keptKind(k) }

func Left(k atrest.Kind) bool { return left[k] != "" }
