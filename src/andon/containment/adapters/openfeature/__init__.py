"""A flag of any vendor that speaks OpenFeature's remote evaluation protocol: changed its way, seen by the protocol."""
