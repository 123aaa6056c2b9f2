package doctor

func cores() Finding { return good("core dumps", "this system does not tell") }
