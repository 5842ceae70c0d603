"""The process in the world's namespace: resolvers, anchors and every site, each on its own addresses."""
